"""What a trajectory says: arrays in, arrays out. Never sees a potential: frames of any program will do."""
