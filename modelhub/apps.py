from django.apps import AppConfig


class ModelhubConfig(AppConfig):
    name = "modelhub"

    def ready(self) -> None:
        from modelhub.management.stage_command import stage_commands_register

        stage_commands_register()
