// The one job: every branch and pull request of the repository that has a Jenkinsfile. Job DSL runs this at
// each start of Jenkins.
multibranchPipelineJob('cafe') {
  displayName('Board Game Café')
  branchSources {
    branchSource {
      source {
        github {
          // Without a constant id each start would build, and deploy, every branch anew.
          id('boardcafe')
          credentialsId('github')
          configuredByUrl(false)
          repoOwner(GITHUB_OWNER)
          repository(GITHUB_REPOSITORY)
          repositoryUrl("https://github.com/${GITHUB_OWNER}/${GITHUB_REPOSITORY}")
          traits {
            // Branches that are not also pull requests.
            gitHubBranchDiscovery { strategyId(1) }
            // Pull requests of this repository, merged with their target. Those of forks are not built: the
            // agent's Docker engine is as good as root on its machine, and a fork is anybody's.
            gitHubPullRequestDiscovery { strategyId(1) }
          }
        }
      }
    }
  }
  orphanedItemStrategy {
    discardOldItems { numToKeep(20) }
  }
}

// The first look at the repository: it finds the branches, builds them, and from then on pushes are noticed.
queue('cafe')
