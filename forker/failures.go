package forker

import (
	"encoding/json"
	"maps"
	"sync"
)

// failureMap gathers failures by key from many goroutines.
type failureMap struct {
	mutex    sync.Mutex
	failures map[string]error
}

func (m *failureMap) add(key string, err error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.failures == nil {
		m.failures = map[string]error{}
	}
	m.failures[key] = err
}

func (m *failureMap) all() map[string]error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return maps.Clone(m.failures)
}

// decodePlain decodes JSON as encoding/json does by itself, which is how the record's entries are read.
func decodePlain(text string) (any, error) {
	var decoded any
	err := json.Unmarshal([]byte(text), &decoded)
	return decoded, err
}

// statusMap gathers statuses by key from many goroutines.
type statusMap struct {
	mutex    sync.Mutex
	statuses map[string]string
}

func (m *statusMap) set(key, status string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.statuses == nil {
		m.statuses = map[string]string{}
	}
	m.statuses[key] = status
}

func (m *statusMap) all() map[string]string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return maps.Clone(m.statuses)
}
