// E0599
use kaa_tests::beacon::BeaconClient_;

pub async fn wrong(beacon: BeaconClient_) {
    let _ = beacon.register_file_type_attrs("track").min(3).await;
}
