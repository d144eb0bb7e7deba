package kubernetes

import (
	"context"
	"sync"
	"time"
)

// agentTime is for how long an agent that was found in an enclave is taken to be there. Whoever removes and makes the enclave
// anew in the meantime is another process, and the next apply heals what that brings about.
const agentTime = 30 * time.Second

// agents remembers in which enclaves the agent is, so that services that are made together look for it, and bring it, once.
type agents struct {
	mutex sync.Mutex
	known map[string]*agentPlace // by enclave and architecture
}

// agentPlace is one enclave's agent.
type agentPlace struct {
	mutex         sync.Mutex
	at            time.Time
	program, data string
}

func (a *agents) place(key string) *agentPlace {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.known == nil {
		a.known = map[string]*agentPlace{}
	}
	if a.known[key] == nil {
		a.known[key] = &agentPlace{}
	}
	return a.known[key]
}

// forget is called when an enclave goes.
func (a *agents) forget() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.known = nil
}

// ensureAgent brings the agent into an enclave, if it is not there, and gives the names of its ConfigMaps.
func (b *Backend) ensureAgent(ctx context.Context, conn *connection, name, architecture string) (program, data string, err error) {
	place := b.agents.place(name + "/" + architecture)
	// Whoever comes while it is being brought waits for it.
	place.mutex.Lock()
	defer place.mutex.Unlock()
	if time.Since(place.at) < agentTime {
		return place.program, place.data, nil
	}
	program, data, err = conn.installAgent(ctx, name, architecture)
	if err == nil {
		place.program, place.data, place.at = program, data, time.Now()
	}
	return program, data, err
}
