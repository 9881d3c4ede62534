"""What holds of a lane after every event: invariants, and the stepped lane that they are looked at in."""
