variable "backend" {
  description = "What runs the enclave: kubernetes or docker."
  type        = string
  default     = "kubernetes"
}

variable "context" {
  description = "Context of the kubeconfig; null: its current one."
  type        = string
  default     = null
}

variable "enclave" {
  description = "Name of the enclave. Its namespace is sundog-<name>."
  type        = string
  default     = "shop"
}

variable "greeting" {
  description = "What the shop greets its visitors with."
  type        = string
  default     = "hello"
}

variable "database_password" {
  description = "Password of the database's user."
  type        = string
  default     = "shop-example-password"
  sensitive   = true
}

variable "postgres_image" {
  description = "Image of the database, and of the task that fills it."
  type        = string
  default     = "postgres:15"
}

variable "nginx_image" {
  description = "Image of the web server."
  type        = string
  default     = "nginx:stable"
}
