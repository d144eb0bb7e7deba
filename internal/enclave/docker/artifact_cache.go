package docker

import "sync"

// smallCacheBytes bounds what is remembered of small artifacts. What services mount is usually mounted by many of them.
const smallCacheBytes = 32 << 20

// smallCache remembers small artifacts by enclave and digest. It is no second truth: an artifact's digest is its
// content's, so what is remembered can be missing in the enclave but never something else. Its zero value is ready.
type smallCache struct {
	mutex    sync.Mutex
	contents map[smallKey][]byte
	order    []smallKey // oldest first
	size     int
}

type smallKey struct{ enclave, digest string }

func (s *smallCache) get(name, digest string) ([]byte, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	content, found := s.contents[smallKey{name, digest}]
	return content, found
}

func (s *smallCache) put(name, digest string, content []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	key := smallKey{name, digest}
	if _, found := s.contents[key]; found {
		return
	}
	if s.contents == nil {
		s.contents = map[smallKey][]byte{}
	}
	s.contents[key] = content
	s.order = append(s.order, key)
	s.size += len(content)
	for s.size > smallCacheBytes {
		oldest := s.order[0]
		s.order = s.order[1:]
		s.size -= len(s.contents[oldest])
		delete(s.contents, oldest)
	}
}

func (s *smallCache) drop(name, digest string) {
	s.forget(func(key smallKey) bool { return key == smallKey{name, digest} })
}

// dropEnclave forgets what an enclave had: another one of that name has nothing of it.
func (s *smallCache) dropEnclave(name string) {
	s.forget(func(key smallKey) bool { return key.enclave == name })
}

func (s *smallCache) forget(which func(smallKey) bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	kept := s.order[:0]
	for _, key := range s.order {
		if which(key) {
			s.size -= len(s.contents[key])
			delete(s.contents, key)
		} else {
			kept = append(kept, key)
		}
	}
	s.order = kept
}
