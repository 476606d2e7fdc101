package history

import "context"

// Record is what the history says when an attempt begins.
type Record struct {
	Releases []Release // newest first
	// Good is the last release that served, and Content what it consists of; nil where no release has served.
	Good    Release
	Content *Content
	// Needed are the versions of configs and secrets that the kept releases need.
	Needed map[string]bool
}

// Read reads the record.
func (h History) Read(ctx context.Context) (Record, error) {
	releases, err := h.List(ctx)
	if err != nil {
		return Record{}, err
	}
	r := Record{Releases: releases}
	if r.Needed, err = Needed(releases); err != nil {
		return Record{}, err
	}
	if good, ok := LastDeployed(releases); ok {
		r.Good = good
		if r.Content, err = good.Content(); err != nil {
			return Record{}, err
		}
	}
	return r, nil
}

// Clean tells whether the swarm holds the last good release, as far as the history knows: no later release
// has stopped half way.
func (r Record) Clean() bool {
	for _, release := range r.Releases {
		switch release.Status {
		case Deployed:
			return true
		case Failed:
			continue // it was taken back
		default:
			return false
		}
	}
	return true
}

// JobsDone are the fingerprints of the jobs that the last good release has run, by name.
func (r Record) JobsDone() map[string]string {
	if r.Content == nil {
		return nil
	}
	return r.Content.Jobs
}

// Find finds the release to go back to: the one that is called so, or the one before the present where to is
// empty. Only a release that has served is found.
func (r Record) Find(to string) (Release, bool) {
	// After a failure that was not taken back, the last good release itself is the one to go back to.
	skip := to == "" && r.Clean()
	for _, release := range r.Releases {
		switch {
		case release.Status != Deployed:
		case skip:
			skip = false
		case to == "" || release.IsCalled(to):
			return release, true
		}
	}
	return Release{}, false
}
