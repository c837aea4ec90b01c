"""The event store in DynamoDB."""

from shop_command.adapters.dynamodb.store import DynamoDbEventStore as DynamoDbEventStore
