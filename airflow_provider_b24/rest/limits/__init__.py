"""The portal's two limits, counted on our side: the request bucket and the operating time of methods."""
