"""Properties are judged by what they find, not by how fast this machine is today."""

from hypothesis import settings

settings.register_profile("pure", deadline=None, print_blob=True)
settings.load_profile("pure")
