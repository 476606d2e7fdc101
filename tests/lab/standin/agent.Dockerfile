# Stands in for the agent's image: the same sshd_config and the same start on what Debian 12 has, without Java and Go.
# Root: as in the real one, sshd opens the sessions.
FROM boardcafe/base-debian:12
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends openssh-server openssh-client curl \
 && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
 && useradd --create-home --shell /bin/bash --uid 1000 jenkins \
 && install -d -o jenkins -g jenkins -m 0755 /home/jenkins/agent
COPY sshd_config /etc/ssh/sshd_config.d/agent.conf
COPY start /usr/local/sbin/start
RUN chmod 0755 /usr/local/sbin/start
VOLUME /home/jenkins/agent
CMD ["/usr/local/sbin/start"]
