variable "enclave" {
  description = "Name of the enclave."
  type        = string
  default     = "published"
}

variable "greeting" {
  description = "What the client writes into the cache and the database."
  type        = string
  default     = "hello"
}

variable "database_settings" {
  description = "Settings of the PostgreSQL server, such as max_connections=50."
  type        = list(string)
  default     = []
}

variable "database_password" {
  description = "Password of the database's user."
  type        = string
  default     = "shop-example-password"
  sensitive   = true
}

variable "redis_image" {
  description = "Image of the cache, and of the task that writes to it."
  type        = string
  default     = "redis:7"
}

variable "postgres_image" {
  description = "Image of the database, and of the task that writes to it."
  type        = string
  default     = "postgres:15"
}

variable "nginx_image" {
  description = "Image of the web server."
  type        = string
  default     = "nginx:stable"
}

variable "adminer_image" {
  description = "Image of the database's front end."
  type        = string
  default     = "michalhosna/adminer"
}
