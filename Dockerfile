# Image of the team server. `docker compose up` builds it; see docs/operations.md.
ARG NODE_IMAGE=node:24-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY . .
RUN npm ci --no-audit --no-fund && node scripts/bootstrap.mjs build

FROM ${NODE_IMAGE}
# The files of the server only, not those of the editor.
COPY --from=build /src/dist/server*.mjs /src/dist/sandbox-child.mjs /src/dist/page-reader.mjs \
  /src/dist/symbol-parser.mjs /src/dist/ThirdPartyNotices.txt /src/LICENSE /opt/devlm/
COPY --from=build /src/dist/platforms /opt/devlm/platforms
COPY --from=build /src/dist/grammars /opt/devlm/grammars
COPY --from=build /src/dist/sandbox-guest /opt/devlm/sandbox-guest
COPY --from=build /src/dist/sandbox-npm /opt/devlm/sandbox-npm
COPY docker/devlm /usr/local/bin/devlm
COPY docker/first-start.mjs /opt/devlm/first-start.mjs
# A new volume inherits the owner of the folder that it is mounted on.
RUN chmod 755 /usr/local/bin/devlm && mkdir -p /data /secrets && chown 10001:10001 /data /secrets
USER 10001:10001
ENV NODE_ENV=production DEVLM_DATA_DIR=/data DEVLM_HOST=0.0.0.0 DEVLM_PORT=7878
VOLUME /data
EXPOSE 7878
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7878/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["devlm"]
CMD ["serve"]
