"""The portal's two limits, kept from this side: the request bucket and the operating time of methods."""
