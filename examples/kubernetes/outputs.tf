output "page" {
  description = "Where the page is, as seen from this machine."
  value       = sundog_package_run.shop.services["web"].ports["http"].url
}

output "found" {
  description = "What the package returned: the greetings in the database, and the name of the page's files artifact."
  value       = sundog_package_run.shop.output
}

output "inside" {
  description = "Where services are for each other; the same on every backend."
  value = { for name, service in sundog_package_run.shop.services : name => {
    hostname = service.hostname
    ports    = { for id, port in service.ports : id => "${port.number}/${port.transport_protocol}" }
  } }
}
