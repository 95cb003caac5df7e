"""What a step of training costs: contenders, and the driver that measures them side by side."""
