// unused `Call` that must be used
use kaa_tests::beacon::BeaconClient_;

pub fn forgotten(beacon: &BeaconClient_) {
    beacon.db_lock();
}
