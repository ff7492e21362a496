"""The REST methods of the portal, a module for each group."""
