# Debian's PostgreSQL behind the environment variables of the official image, for machines that can pull none.
# BASE: Debian 12 with postgresql-15 installed (docs/operations/containers.md, "Without any registry").
ARG BASE
FROM ${BASE}
COPY --chmod=0755 postgres-entrypoint /usr/local/bin/
RUN install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data/cluster
USER postgres
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres-entrypoint"]
CMD ["postgres"]
