# A Momento API key in Secrets Manager, a service that reads it (on Lambda or as a container), its rotation, and e-mails
# about rotations, their errors and denied reads. Every name begins with the prefix. README.md says how to use it.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "prefix" {
  type    = string
  default = "momento"
}

variable "image" {
  type        = string
  description = "The image of the service's container, if you use one"
  default     = "none"
}

variable "momento_endpoint" {
  type        = string
  description = "The endpoint of your API key, from Momento's console, without https://"
}

variable "cache_name" {
  type = string
}

variable "alarm_email" {
  type        = string
  description = "Who gets the e-mails; AWS asks this address to confirm"
}

# Without a default: an `apply` that forgot it would take the schedule away.
variable "rotate" {
  type        = bool
  description = "Say true once both secrets hold a key"
}

variable "rotate_every_days" {
  type        = number
  description = "At most a third of the lifetime of your keys"
  default     = 30
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  service_zip  = "${path.module}/../build/lambda/service.zip"
  rotation_zip = "${path.module}/../build/lambda/rotation.zip"
  # Before the name of a secret. After it come a hyphen and six characters, others when the secret is created again.
  secret = "arn:${data.aws_partition.current.partition}:secretsmanager:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:secret:"
  environment = {
    SECRET_NAME      = "${var.prefix}-api-key"
    CACHE_NAME       = var.cache_name
    MOMENTO_ENDPOINT = var.momento_endpoint
    TOKEN_TTL        = "300"
  }
}

# The two secrets. They have no value here: the state would show it to anyone who may read that.

resource "aws_secretsmanager_secret" "api_key" {
  name                    = "${var.prefix}-api-key"
  description             = "The Momento API key of the services, as plaintext"
  recovery_window_in_days = 7 # after `destroy`, and as long the name is taken
}

resource "aws_secretsmanager_secret" "next_api_key" {
  name                    = "${var.prefix}-next-api-key"
  description             = "The Momento API key that the next rotation takes"
  recovery_window_in_days = 7
}

# No one else reads the next key, administrators included. They can still store another one, or delete this policy.
resource "aws_secretsmanager_secret_policy" "only_the_rotation_reads_the_next_key" {
  secret_arn          = aws_secretsmanager_secret.next_api_key.arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Deny"
      Principal = "*"
      Action    = "secretsmanager:GetSecretValue"
      Resource  = "*"
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = aws_iam_role.rotation.arn } }
    }]
  })
}

# What the service may do, on Lambda or in a container

resource "aws_iam_policy" "read_the_key" {
  name_prefix = "${var.prefix}-read-the-key-"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue" # and DescribeSecret, if you use AWS's caching library
      Resource = "${local.secret}${var.prefix}-api-key-??????"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "read_the_key" {
  for_each   = { service = aws_iam_role.service.name, task = aws_iam_role.task.name }
  role       = each.value
  policy_arn = aws_iam_policy.read_the_key.arn
}

data "aws_iam_policy_document" "assumed_by" {
  for_each = toset(["lambda", "ecs-tasks"])
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
  }
}

# The service on Lambda

resource "aws_iam_role" "service" {
  name_prefix        = "${var.prefix}-service-"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["lambda"].json
}

resource "aws_iam_role_policy" "service" {
  role = aws_iam_role.service.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.service.arn}:*"
    }]
  })
}

resource "aws_cloudwatch_log_group" "service" {
  name              = "/aws/lambda/${var.prefix}-service"
  retention_in_days = 30
}

resource "aws_lambda_function" "service" {
  function_name    = "${var.prefix}-service"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  handler          = "lambda_handler.handler"
  role             = aws_iam_role.service.arn
  timeout          = 15
  memory_size      = 512
  filename         = local.service_zip
  source_code_hash = filebase64sha256(local.service_zip)
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.service.name
  }
  environment {
    variables = local.environment
  }
}

# The service in a container, for ECS on Fargate. The container reads the secret itself, as the task role, so that it
# gets a new key without a restart. The execution role is for ECS: it pulls the image and writes the log.

resource "aws_iam_role" "task" {
  name_prefix        = "${var.prefix}-task-"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["ecs-tasks"].json
}

resource "aws_iam_role" "execution" {
  name_prefix        = "${var.prefix}-execution-"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["ecs-tasks"].json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_cloudwatch_log_group" "task" {
  name              = "/ecs/${var.prefix}-service"
  retention_in_days = 30
}

resource "aws_ecs_task_definition" "task" {
  family                   = "${var.prefix}-service"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "256"
  memory                   = "512"
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  runtime_platform {
    cpu_architecture        = "ARM64"
    operating_system_family = "LINUX"
  }
  container_definitions = jsonencode([{
    name                   = "service"
    image                  = var.image
    portMappings           = [{ containerPort = 8080 }]
    readonlyRootFilesystem = true
    environment            = [for name, value in local.environment : { name = name, value = value }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.task.name
        awslogs-region        = data.aws_region.current.region
        awslogs-stream-prefix = "task"
      }
    }
  }])
}

# The rotation

resource "aws_iam_role" "rotation" {
  name_prefix        = "${var.prefix}-rotation-"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["lambda"].json
}

resource "aws_iam_role_policy" "rotation" {
  role = aws_iam_role.rotation.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Action = [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:UpdateSecretVersionStage",
        ]
        Resource = "${local.secret}${var.prefix}-api-key-??????"
      },
      {
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = "${local.secret}${var.prefix}-next-api-key-??????"
      },
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.rotation.arn}:*"
      },
    ]
  })
}

resource "aws_cloudwatch_log_group" "rotation" {
  name              = "/aws/lambda/${var.prefix}-rotation"
  retention_in_days = 365
}

resource "aws_lambda_function" "rotation" {
  function_name    = "${var.prefix}-rotation"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  handler          = "rotation_function.handler"
  role             = aws_iam_role.rotation.arn
  timeout          = 60
  memory_size      = 512
  filename         = local.rotation_zip
  source_code_hash = filebase64sha256(local.rotation_zip)
  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.rotation.name
  }
  environment {
    variables = {
      NEXT_KEY_SECRET  = "${var.prefix}-next-api-key"
      CACHE_NAME       = var.cache_name
      MOMENTO_ENDPOINT = var.momento_endpoint
    }
  }
}

# RotateSecret is denied without it. source_account keeps the secrets of other accounts out.
resource "aws_lambda_permission" "secrets_manager_may_invoke" {
  function_name  = aws_lambda_function.rotation.function_name
  action         = "lambda:InvokeFunction"
  principal      = "secretsmanager.amazonaws.com"
  source_account = data.aws_caller_identity.current.account_id
}

resource "aws_secretsmanager_secret_rotation" "schedule" {
  count               = var.rotate ? 1 : 0
  secret_id           = aws_secretsmanager_secret.api_key.id
  rotation_lambda_arn = aws_lambda_function.rotation.arn
  rotate_immediately  = false # Secrets Manager tries testSecret now; the first rotation comes by the schedule
  rotation_rules {
    automatically_after_days = var.rotate_every_days
  }
  depends_on = [aws_lambda_permission.secrets_manager_may_invoke]
}

# The e-mails

resource "aws_sns_topic" "alarms" {
  name = "${var.prefix}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_sns_topic_policy" "alarms_may_be_sent" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow" # without a condition: AWS documents that EventBridge can't publish under one
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
      },
      {
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_metric_alarm.rotation_errors.arn } }
      },
    ]
  })
}

# A step of a rotation raised an error, or ran out of time.
resource "aws_cloudwatch_metric_alarm" "rotation_errors" {
  alarm_name          = "${var.prefix}-rotation-errors"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.rotation.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

# A rotation has ended, well or not. Its success is the reminder to revoke the old key and to store the next one. This
# event and the next come by CloudTrail, so the account needs a trail that records management events.
resource "aws_cloudwatch_event_rule" "rotated" {
  name_prefix = "${var.prefix}-rotated-"
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    source        = ["aws.secretsmanager"]
    "detail-type" = ["AWS Service Event via CloudTrail"]
    detail = {
      eventName           = ["RotationSucceeded", "RotationFailed", "RotationAbandoned", "TestRotationFailed"]
      additionalEventData = { SecretId = [{ prefix = "${local.secret}${var.prefix}-api-key-" }] }
    }
  })
}

# Secrets Manager has denied a call for one of the two secrets. CloudTrail's record of such a call has no request
# parameters, only the message, which names the secret as the caller did: by its name, or by its ARN. A rule gets
# events of reads in this state only. There are two rules, as EventBridge limits the wildcards in one.
resource "aws_cloudwatch_event_rule" "denied" {
  for_each = {
    denied      = ["*resource: ${var.prefix}-api-key *", "*:secret:${var.prefix}-api-key*"]
    denied_next = ["*resource: ${var.prefix}-next-api-key *", "*:secret:${var.prefix}-next-api-key*"]
  }
  name_prefix = "${var.prefix}-denied-"
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    source        = ["aws.secretsmanager"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    detail = {
      errorCode    = [{ prefix = "AccessDenied" }]
      errorMessage = [for text in each.value : { wildcard = text }]
    }
  })
}

resource "aws_cloudwatch_event_target" "alarms" {
  for_each = merge(
    { rotated = aws_cloudwatch_event_rule.rotated.name },
    { for key, rule in aws_cloudwatch_event_rule.denied : key => rule.name },
  )
  rule = each.value
  arn  = aws_sns_topic.alarms.arn
}
