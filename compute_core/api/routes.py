"""The REST API as one table: method, path, handler, who may, the status of success, what may be sent, and since and until which version."""

from __future__ import annotations

from compute_core.api.compute import (
    external_events,
    flavors,
    hypervisors,
    instance_actions,
    keypairs,
    metadata,
    migrations,
    operations,
    server_actions,
    server_create,
    server_life,
    server_moves,
    servers,
    versions,
)
from compute_core.api.identity import directory, tokens
from compute_core.api.image import images, listing
from compute_core.api.network import networks
from compute_core.api.route import ADMIN, ANYBODY, KNOWN, MEMBER, READER, Action, Route, Service
from compute_core.api.schemas import moves, resources
from compute_core.api.schemas import server_life as life_bodies
from compute_core.api.schemas import servers as bodies
from compute_core.api.schemas.services import AUTH, IMAGE, IMAGES, PATCH
from compute_core.api.server_action import act

ACTIONS: tuple[Action, ...] = (
    Action("os-start", server_actions.simple("start"), bodies.NOTHING),
    Action("os-stop", server_actions.simple("stop"), bodies.NOTHING),
    Action("reboot", server_actions.reboot, bodies.REBOOT),
    Action("pause", server_actions.simple("pause"), bodies.NOTHING),
    Action("unpause", server_actions.simple("unpause"), bodies.NOTHING),
    Action("suspend", server_actions.simple("suspend"), bodies.NOTHING),
    Action("resume", server_actions.simple("resume"), bodies.NOTHING),
    Action("lock", server_life.lock, life_bodies.lock),
    Action("unlock", server_life.unlock, bodies.NOTHING),
    Action("rescue", server_life.rescue, life_bodies.RESCUE, status=200),
    Action("unrescue", server_actions.simple("unrescue"), bodies.NOTHING),
    Action("rebuild", server_life.rebuild, life_bodies.rebuild),
    Action("shelve", server_life.shelve, bodies.NOTHING),
    Action("shelveOffload", server_actions.simple("shelve_offload"), bodies.NOTHING, access=ADMIN),
    Action("unshelve", server_life.unshelve, life_bodies.unshelve),
    Action("restore", server_life.restore, bodies.NOTHING),
    Action("forceDelete", server_life.force_delete, bodies.NOTHING),
    Action("os-resetState", server_life.reset_state, life_bodies.RESET_STATE, access=ADMIN),
    Action("trigger_crash_dump", server_life.trigger_crash_dump, life_bodies.NULL_OR_NOTHING, since=17),
    Action("injectNetworkInfo", server_life.inject_network_info, bodies.NOTHING, access=ADMIN),
    Action("resetNetwork", server_life.reset_network, bodies.NOTHING, access=ADMIN),
    Action("resize", server_moves.resize, moves.RESIZE),
    Action("confirmResize", server_actions.simple("confirm_resize"), bodies.NOTHING, status=204),
    Action("revertResize", server_actions.simple("revert_resize"), bodies.NOTHING),
    Action("migrate", server_moves.migrate, moves.migrate, access=ADMIN),
    Action("os-migrateLive", server_moves.live_migrate, moves.live_migrate, access=ADMIN),
    Action("evacuate", server_moves.evacuate, moves.evacuate, status=200, access=ADMIN),
    Action("createImage", server_actions.create_image, bodies.CREATE_IMAGE),
    Action("os-getConsoleOutput", server_actions.console_output, bodies.CONSOLE_OUTPUT, status=200),
)

COMPUTE: tuple[Route, ...] = (
    Route("GET", "/servers", servers.index, READER, query=bodies.listing),
    Route("GET", "/servers/detail", servers.detail, READER, query=bodies.listing),
    Route("POST", "/servers", server_create.create, MEMBER, 202, bodies.create),
    Route("GET", "/servers/{server_id}", servers.show, READER),
    Route("PUT", "/servers/{server_id}", servers.update, MEMBER, 200, bodies.update),
    Route("DELETE", "/servers/{server_id}", servers.delete, MEMBER, 204),
    Route("POST", "/servers/{server_id}/action", act(ACTIONS), MEMBER, 202, {"type": "object"}),
    Route("GET", "/servers/{server_id}/ips", servers.ips, READER),
    Route("GET", "/servers/{server_id}/ips/{network}", servers.ips_of_network, READER),
    Route("GET", "/servers/{server_id}/metadata", metadata.index, READER),
    Route("POST", "/servers/{server_id}/metadata", metadata.add, MEMBER, 200, bodies.METADATA_BODY),
    Route("PUT", "/servers/{server_id}/metadata", metadata.replace, MEMBER, 200, bodies.METADATA_BODY),
    Route("GET", "/servers/{server_id}/metadata/{key}", metadata.show, READER),
    Route("PUT", "/servers/{server_id}/metadata/{key}", metadata.set_one, MEMBER, 200, bodies.META_ITEM),
    Route("DELETE", "/servers/{server_id}/metadata/{key}", metadata.delete, MEMBER, 204),
    Route("GET", "/servers/{server_id}/os-instance-actions", instance_actions.index, READER, query=life_bodies.instance_actions),
    Route("GET", "/servers/{server_id}/os-instance-actions/{request_id}", instance_actions.show, READER),
    Route("POST", "/os-server-external-events", external_events.create, ADMIN, 200, life_bodies.external_events),
    Route("GET", "/flavors", flavors.index, READER, query=resources.flavors),
    Route("GET", "/flavors/detail", flavors.detail, READER, query=resources.flavors),
    Route("POST", "/flavors", flavors.create, ADMIN, 200, resources.flavor),
    Route("GET", "/flavors/{flavor_id}", flavors.show, READER),
    Route("DELETE", "/flavors/{flavor_id}", flavors.delete, ADMIN, 202),
    Route("GET", "/flavors/{flavor_id}/os-extra_specs", flavors.extra_specs, READER),
    Route("POST", "/flavors/{flavor_id}/os-extra_specs", flavors.add_extra_specs, ADMIN, 200, resources.EXTRA_SPECS),
    Route("GET", "/flavors/{flavor_id}/os-extra_specs/{key}", flavors.extra_spec, READER),
    Route("PUT", "/flavors/{flavor_id}/os-extra_specs/{key}", flavors.set_extra_spec, ADMIN, 200, resources.EXTRA_SPEC),
    Route("DELETE", "/flavors/{flavor_id}/os-extra_specs/{key}", flavors.delete_extra_spec, ADMIN, 200),
    Route("GET", "/os-keypairs", keypairs.index, READER, query=resources.keypairs),
    Route("POST", "/os-keypairs", keypairs.create, MEMBER, 200, resources.keypair, until=1),
    Route("POST", "/os-keypairs", keypairs.create, MEMBER, 201, resources.keypair, since=2),
    Route("GET", "/os-keypairs/{name}", keypairs.show, READER),
    Route("DELETE", "/os-keypairs/{name}", keypairs.delete, MEMBER, 202, until=1),
    Route("DELETE", "/os-keypairs/{name}", keypairs.delete, MEMBER, 204, since=2),
    Route("GET", "/limits", operations.limits, READER),
    Route("GET", "/os-availability-zone", operations.zones, READER),
    Route("GET", "/os-availability-zone/detail", operations.zones_detail, ADMIN),
    Route("GET", "/os-services", operations.services, ADMIN),
    Route("PUT", "/os-services/{service_id}", operations.set_service, ADMIN, 200, resources.SERVICE, since=53),
    Route("PUT", "/os-services/enable", operations.enable, ADMIN, 200, resources.SERVICE_BY_NAME, until=52),
    Route("PUT", "/os-services/disable", operations.disable, ADMIN, 200, resources.SERVICE_BY_NAME, until=52),
    Route("PUT", "/os-services/disable-log-reason", operations.disable_with_reason, ADMIN, 200, resources.SERVICE_BY_NAME, until=52),
    Route("PUT", "/os-services/force-down", operations.force_down, ADMIN, 200, resources.SERVICE_BY_NAME, since=11, until=52),
    Route("GET", "/os-hypervisors", hypervisors.index, ADMIN, query=resources.hypervisors),
    Route("GET", "/os-hypervisors/detail", hypervisors.detail, ADMIN, query=resources.hypervisors),
    Route("GET", "/os-hypervisors/statistics", hypervisors.statistics, ADMIN),
    Route("GET", "/os-hypervisors/{hypervisor_id}", hypervisors.show, ADMIN),
    Route("GET", "/os-hypervisors/{pattern}/search", hypervisors.search, ADMIN, until=52),
    Route("GET", "/os-hypervisors/{pattern}/servers", hypervisors.servers, ADMIN, until=52),
    Route("GET", "/os-migrations", migrations.index, ADMIN, query=moves.migrations),
    Route("GET", "/servers/{server_id}/migrations", migrations.of_server, ADMIN, since=23),
    Route("GET", "/servers/{server_id}/migrations/{migration_id}", migrations.show, ADMIN, since=23),
    Route("DELETE", "/servers/{server_id}/migrations/{migration_id}", migrations.abort, ADMIN, 202, since=24),
    Route(
        "POST", "/servers/{server_id}/migrations/{migration_id}/action", migrations.force_complete, ADMIN, 202,
        moves.FORCE_COMPLETE, since=22,
    ),
    Route("GET", "/os-aggregates", operations.aggregates, ADMIN),
    Route("GET", "/extensions", operations.extensions, READER),
    Route("GET", "/extensions/{alias}", operations.extension, READER),
)

IDENTITY: tuple[Route, ...] = (
    Route("GET", "", directory.versions, ANYBODY, 300),
    Route("GET", "/", directory.versions, ANYBODY, 300),
    Route("GET", "/v3", directory.version, ANYBODY),
    Route("GET", "/v3/", directory.version, ANYBODY),
    Route("POST", "/v3/auth/tokens", tokens.issue, ANYBODY, 201, AUTH),
    Route("GET", "/v3/auth/tokens", tokens.show, KNOWN),
    Route("DELETE", "/v3/auth/tokens", tokens.revoke, KNOWN, 204),
    Route("GET", "/v3/auth/catalog", tokens.catalog, KNOWN),
    Route("GET", "/v3/auth/projects", directory.own_projects, KNOWN),
    Route("GET", "/v3/projects", directory.projects, ADMIN),
    Route("GET", "/v3/projects/{project_id}", directory.project, KNOWN),
    Route("GET", "/v3/users", directory.users, ADMIN),
    Route("GET", "/v3/users/{user_id}", directory.user, KNOWN),
    Route("GET", "/v3/users/{user_id}/projects", directory.user_projects, KNOWN),
    Route("GET", "/v3/domains/{domain_id}", directory.domain, KNOWN),
)

IMAGES_API: tuple[Route, ...] = (
    Route("GET", "", images.versions, ANYBODY, 300),
    Route("GET", "/", images.versions, ANYBODY, 300),
    Route("GET", "/versions", images.versions, ANYBODY),
    Route("GET", "/v2/images", listing.index, READER, query=IMAGES),
    Route("POST", "/v2/images", images.create, MEMBER, 201, IMAGE),
    Route("GET", "/v2/images/{image_id}", images.show, READER),
    Route("PATCH", "/v2/images/{image_id}", images.update, MEMBER, 200, PATCH),
    Route("DELETE", "/v2/images/{image_id}", images.delete, MEMBER, 204),
    Route("PUT", "/v2/images/{image_id}/file", images.upload, MEMBER, 204, is_raw=True),
    Route("GET", "/v2/images/{image_id}/file", images.download, READER),
    Route("PUT", "/v2/images/{image_id}/tags/{tag}", images.add_tag, MEMBER, 204),
    Route("DELETE", "/v2/images/{image_id}/tags/{tag}", images.remove_tag, MEMBER, 204),
)

NETWORK: tuple[Route, ...] = (
    Route("GET", "", networks.versions, ANYBODY),
    Route("GET", "/", networks.versions, ANYBODY),
    Route("GET", "/v2.0/extensions", networks.extensions, READER),
    Route("GET", "/v2.0/networks", networks.networks, READER),
    Route("GET", "/v2.0/networks/{network_id}", networks.network, READER),
    Route("GET", "/v2.0/subnets", networks.subnets, READER),
)

VERSIONS: tuple[Route, ...] = (
    Route("GET", "/", versions.index, ANYBODY),
    Route("GET", "/v2.1", versions.show, ANYBODY),
    Route("GET", "/v2.1/", versions.show, ANYBODY),
    Route("GET", "/v2", versions.show_legacy, ANYBODY),
    Route("GET", "/v2/", versions.show_legacy, ANYBODY),
)

SERVICES: tuple[Service, ...] = (
    Service("versions", "", VERSIONS),
    Service("compute", "/v2.1", COMPUTE, has_microversions=True),
    Service("compute 2.0", "/v2", COMPUTE),
    Service("identity", "/identity", IDENTITY),
    Service("image", "/image", IMAGES_API),
    Service("network", "/network", NETWORK),
)
