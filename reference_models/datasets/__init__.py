"""Audio to train reference models on."""
