"""The local TLS server."""
