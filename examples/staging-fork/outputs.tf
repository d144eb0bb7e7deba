output "storefront_url" {
  description = "Where the fork's storefront answers."
  value       = sundog_fork.staging.resources["ecs/service/shop/storefront"].url
}

output "recommender_url" {
  description = "Where the feature branch answers."
  value       = sundog_package_run.shop.services["recommender"].ports["http"].url
}

output "recommendations" {
  description = "What the package run found out."
  value       = sundog_package_run.shop.output
}

output "settings" {
  description = "The fork's settings file, by the company's own module."
  value       = module.settings.settings
}

output "strategies" {
  description = "What became of every resource of production, and why."
  value       = { for key, resource in sundog_fork.staging.resources : key => "${resource.strategy}: ${resource.reason}" }
}

output "fidelity" {
  description = "How much of production the fork stands for, between 0 and 1."
  value       = sundog_fork.staging.fidelity
}
