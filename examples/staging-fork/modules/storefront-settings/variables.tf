variable "environment" {
  description = "Name of the environment, such as production."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,31}$", var.environment))
    error_message = "The environment's name must be lower case letters, digits and dashes, at most 32 of them."
  }
}

variable "storefront_url" {
  description = "Where customers reach the storefront."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https?://[^/]+", var.storefront_url))
    error_message = "storefront_url must be an http or https URL."
  }
}

variable "orders_queue_url" {
  description = "URL of the queue that takes the orders."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https?://[^/]+/[0-9]{12}/[A-Za-z0-9_-]+$", var.orders_queue_url))
    error_message = "orders_queue_url must be a queue's URL: https://host/account/name."
  }
}

variable "orders_table" {
  description = "Name of the table with the orders that were handled."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.orders_table))
    error_message = "orders_table must be a table's name, not its ARN."
  }
}

variable "receipts_bucket" {
  description = "Name of the bucket that keeps the receipts."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.receipts_bucket))
    error_message = "receipts_bucket must be a bucket's name."
  }
}

variable "order_events_topic_arn" {
  description = "ARN of the topic that tells about orders."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", var.order_events_topic_arn))
    error_message = "order_events_topic_arn must be a topic's ARN."
  }
}
