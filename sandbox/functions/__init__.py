"""AWS Lambda: functions that run, and where their events go."""
