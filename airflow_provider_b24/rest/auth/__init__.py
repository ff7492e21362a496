"""How a request proves who sends it: webhooks, OAuth applications, and where tokens are stored."""
