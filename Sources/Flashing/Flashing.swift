// Flashing
