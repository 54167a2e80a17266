"""Before the pod exists: images, the user's wishes, the pod directory; and the command line."""
