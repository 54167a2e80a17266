"""What is done to a pod while it runs: apps, limits and mounts that change, and ways into it."""
