"""DynamoDB: Moto's, with streams that hold what AWS's hold."""
