"""What a sync can be about; each module implements ``sync.subject.Subject``."""
