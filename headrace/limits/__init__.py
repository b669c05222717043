"""May this go out now? Rate, budget and breaker."""
