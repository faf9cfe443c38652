// E0061
use kaa_tests::beacon::BeaconClient_;

pub async fn forgotten(beacon: BeaconClient_) {
    let _ = beacon.item_create("note").await;
}
