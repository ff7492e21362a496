"""What the portal knows and how it decides: state, PHP's rules, limits. Knows no HTTP."""
