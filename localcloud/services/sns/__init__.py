"""SNS: Moto's topics and queues, with filter policies by AWS's patterns and functions that get notifications."""
