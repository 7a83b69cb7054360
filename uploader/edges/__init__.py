"""Where values meet the world: files, HubSpot, the checkpoint. Thin, and free of decisions."""
