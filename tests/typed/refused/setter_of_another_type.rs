// E0308
use kaa_tests::beacon::BeaconClient_;

pub async fn wrong(beacon: BeaconClient_) {
    let _ = beacon.register_inverted_index("words").min("three").await;
}
