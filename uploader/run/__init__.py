"""The running job: what moves records from the sources to HubSpot and their outcomes to the checkpoint."""
