"""The portal's HTTP: requests, credentials, faults, the server and its control."""
