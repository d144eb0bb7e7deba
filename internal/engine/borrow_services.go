package engine

// neighbour is a service of another run as it was when this run worked with it.
type neighbour struct {
	ContainerID string `json:"container"`
	IPAddress   string `json:"ip_address,omitempty"`
}
