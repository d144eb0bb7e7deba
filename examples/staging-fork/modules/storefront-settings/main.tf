# The company's own module: it knows nothing of Sundog. It turns the endpoints of an environment, whichever that is, into
# the settings file that the shop's programs read.

terraform {
  required_version = ">= 1.6"
}

locals {
  settings = templatefile("${path.module}/settings.json.tftpl", {
    environment            = var.environment
    storefront_url         = var.storefront_url
    orders_queue_url       = var.orders_queue_url
    orders_table           = var.orders_table
    receipts_bucket        = var.receipts_bucket
    order_events_topic_arn = var.order_events_topic_arn
  })
}

# Keeps the settings in the state, so that a plan shows what changes in them.
resource "terraform_data" "settings" {
  input = jsondecode(local.settings)

  lifecycle {
    postcondition {
      condition     = self.output.environment == var.environment
      error_message = "The settings name another environment than ${var.environment}: settings.json.tftpl is broken."
    }
  }
}

# An environment that takes orders in one account and tells about them in another is a mistake.
check "one_account" {
  assert {
    condition     = strcontains(var.orders_queue_url, "/${split(":", var.order_events_topic_arn)[4]}/")
    error_message = "The queue ${var.orders_queue_url} and the topic ${var.order_events_topic_arn} are in different accounts."
  }
}
