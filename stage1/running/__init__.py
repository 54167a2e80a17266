"""A pod while it runs: apps that come and go, limits that change, and those who are asked: its monitor, its PID 1."""
