"""What channels raise."""

__all__ = ["ChannelsError"]


class ChannelsError(Exception):
    """A message could not be published, or a subscription not be kept."""
