"""What every long run shares: identity, fence, state, claims, journal, report rows, progress log, meter."""
