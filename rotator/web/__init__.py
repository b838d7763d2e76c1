"""The worker's API: off unless ROTATOR_API_LISTEN says where. Nothing here holds up a rotation."""
