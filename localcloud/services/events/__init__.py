"""EventBridge: rules that bring events to their targets. Buses, rules and targets are kept by Moto."""
