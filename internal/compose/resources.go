package compose

import (
	"maps"
	"math"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

const (
	bytesPerMB  = 1_000_000
	bytesPerMiB = 1 << 20
	leastMemory = 6 // megabytes that a limit must at least be
)

// resources are limits and reservations of processor time and memory.
func (c *converter) resources(s *service) {
	limits, reservations := &types.Resource{}, &types.Resource{}
	if s.Deploy != nil {
		if s.Deploy.Resources.Limits != nil {
			limits = s.Deploy.Resources.Limits
		}
		if s.Deploy.Resources.Reservations != nil {
			reservations = s.Deploy.Resources.Reservations
		}
	}
	if limits.Pids > 0 {
		c.warn(s.at("deploy", "resources", "limits", "pids"), notCarried)
	}
	add := func(name string, value int64) {
		if value > 0 {
			s.config.add(name, number(value))
		}
	}
	add("max_cpu", millicores(limits.NanoCPUs, types.NanoCPUs(s.CPUS)))
	add("min_cpu", millicores(reservations.NanoCPUs))
	most := megabytes(limits.MemoryBytes, s.MemLimit)
	if most > 0 && most < leastMemory {
		c.warn(s.at("mem_limit"), "the least limit is %d MB", leastMemory)
		most = leastMemory
	}
	add("max_memory", most)
	add("min_memory", megabytes(reservations.MemoryBytes, s.MemReservation))
}

// millicores takes the first value that says something.
func millicores(values ...types.NanoCPUs) int64 {
	for _, value := range values {
		if value > 0 {
			return max(1, int64(math.Round(float64(value)*1000)))
		}
	}
	return 0
}

func megabytes(values ...types.UnitBytes) int64 {
	for _, value := range values {
		if value > 0 {
			return (int64(value)-1)/bytesPerMB + 1
		}
	}
	return 0
}

// gpu makes a GpuConfig, which holds shared memory and limits of the process too.
func (c *converter) gpu(s *service) {
	config := call{function: "GpuConfig"}
	requests := slices.Clone(s.Gpus)
	at := s.at("gpus")
	if s.Deploy != nil && s.Deploy.Resources.Reservations != nil {
		for _, request := range s.Deploy.Resources.Reservations.Devices {
			at = s.at("deploy", "resources", "reservations", "devices")
			if !slices.Contains(request.Capabilities, "gpu") {
				c.warn(at, "only devices with the capability gpu can be carried over")
				continue
			}
			requests = append(requests, request)
		}
	}
	if len(requests) > 1 {
		c.warn(at, "only the first request for graphics processors is carried over")
	}
	if len(requests) > 0 {
		request := requests[0]
		switch {
		case len(request.IDs) > 0:
			config.add("device_ids", texts(request.IDs))
		case request.Count != 0:
			config.add("count", number(int64(request.Count)))
		default:
			config.add("count", number(-1))
		}
	}
	if s.ShmSize > 0 {
		config.add("shm_size", number((int64(s.ShmSize)-1)/bytesPerMiB+1))
	}
	var limits dict
	for _, name := range slices.Sorted(maps.Keys(s.Ulimits)) {
		limit := s.Ulimits[name]
		if limit == nil {
			continue
		}
		value := limit.Single
		if value == 0 {
			value = limit.Hard
			if limit.Soft != limit.Hard {
				c.warn(s.at("ulimits", name), "the hard limit %d is the soft one as well", limit.Hard)
			}
		}
		limits = append(limits, entry{name, number(int64(value))})
	}
	if len(limits) > 0 {
		config.add("ulimits", limits)
	}
	if len(requests) > 0 && requests[0].Driver != "" {
		config.add("driver", quoted(requests[0].Driver))
	}
	if len(config.arguments) > 0 {
		s.config.add("gpu", config)
	}
}
