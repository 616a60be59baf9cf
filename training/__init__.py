"""Programs that train and evaluate, and the modules they stand on."""
