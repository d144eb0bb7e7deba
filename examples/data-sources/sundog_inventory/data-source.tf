data "sundog_inventory" "shop" {
  include = ["sqs/*", "dynamodb/*"]
  exclude = ["sqs/queue/*-dlq"]
  tags    = { app = "shop" }
}

output "diagram" {
  value = data.sundog_inventory.shop.mermaid
}

output "not_covered" {
  value = data.sundog_inventory.shop.uncovered
}
