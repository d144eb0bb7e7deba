# How the company itself uses the module, for production. The fork in ../main.tf uses the same module, unchanged.
module "settings" {
  source = "../modules/storefront-settings"

  environment            = "production"
  storefront_url         = "https://shop.example.com"
  orders_queue_url       = "https://sqs.eu-west-1.amazonaws.com/111111111111/orders"
  orders_table           = "orders"
  receipts_bucket        = "shop-receipts-111111111111"
  order_events_topic_arn = "arn:aws:sns:eu-west-1:111111111111:order-events"
}

output "settings" {
  description = "Production's settings file."
  value       = module.settings.settings
}
