"""The worker: it fires what is due, delivers what is queued, and does once a day what must be done once a day."""
