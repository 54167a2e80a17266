"""After the pod exists: read its directory, render it, launch it. Knows nothing of images or of fetching."""
