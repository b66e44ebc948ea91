"""Bridges to other event loops."""
